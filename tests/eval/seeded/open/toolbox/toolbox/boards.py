ADDRESSES = {"all": "/", "jobs": "/jobs", "lost": "/lost-and-found"}


def address(board):
    return ADDRESSES.get(board, "/")
