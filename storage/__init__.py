"""What we remember: the joint event store on SQLAlchemy."""
