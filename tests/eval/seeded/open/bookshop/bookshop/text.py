import html

_STYLES = {"red": "alert", "green": "note"}


def banner(headline, colour):
    return "<h2 class='{1}'>{0}</h2>".format(headline, _STYLES.get(colour, "note"))


def plain(headline):
    return "<h2>%s</h2>" % html.escape(headline)


def one_line(value):
    return value.replace("\r", "").replace("\n", " ")


def shout(value):
    return value.strip().upper()
