//! Runs a PhysicalPlan: tasks, barriers, checkpoints, byte budget, dead letters, counts.
