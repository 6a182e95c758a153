//! SQL text to the typed query of pipectl-ir, with places.
