//! What a target is: capabilities, legality, cost, lowering, artifacts.
