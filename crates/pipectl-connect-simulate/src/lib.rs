//! The simulate source: sensors, clickstream, server logs, orders.
