"""ipv6"""
SETUPS = {}
def cases():
    return []
