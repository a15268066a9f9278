//! AWS simulator.
