//! The planner: an observed world to a plan.
