//! rte_flow target: packet programs as NIC flow rules, and the NIC model that runs them.
//! Under way on branch `nic`.
