//! Tables: key to item, upsert; bound to SQLite.
