//! Policy graph, instance graph, placement and cut.
