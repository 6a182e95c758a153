//! From bytes to typed columns of the needed fields only.
