//! Policy language, packet filters, NF and rack descriptions.
