//! The Azure Event Hubs backend.
