"""fragments"""
SETUPS = {}
def cases():
    return []
