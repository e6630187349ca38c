from rooms import room, service, state

__all__ = ["room", "service", "state"]
