//! A picture of a plan: devices as lanes, nodes in them, edges with their load.
