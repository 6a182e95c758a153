//! Spec to Checked to Dag, reporting every problem at once.
