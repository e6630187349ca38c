from rooms import keystore_url, postgres, room, service, state

__all__ = ["keystore_url", "postgres", "room", "service", "state"]
