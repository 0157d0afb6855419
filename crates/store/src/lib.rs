//! What must outlive a restart: SQLite behind one writer, leases of quota, the audit chain.
