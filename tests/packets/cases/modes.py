"""modes"""
SETUPS = {}
def cases():
    return []
