"""errors"""
SETUPS = {}
def cases():
    return []
