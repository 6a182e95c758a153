//! Lowers a Dag to a PhysicalPlan.
