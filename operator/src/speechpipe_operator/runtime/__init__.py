"""The running operator: who may write (the lease), what is worked on (the queue), and how one sees that it is well."""
