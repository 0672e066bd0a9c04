"""Break the cluster on purpose and prove, record by record, that nothing acknowledged is lost."""
