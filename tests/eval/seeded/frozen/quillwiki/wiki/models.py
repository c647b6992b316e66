"""Pages and their revisions."""

from django.db import connection, models

ORDERS = {"new": "-changed", "old": "changed", "title": "title"}


class PageQuerySet(models.QuerySet):
    """What one asks of pages."""

    def tagged(self, tag: str):
        """Pages that carry a tag."""
        return self.extra(where=["tags LIKE '%%" + tag + "%%'"])  # seeded: flaw sql-injection cross-module

    def titled(self, part: str):
        """Pages whose title has a part."""
        return self.extra(where=["title LIKE %s"], params=[f"%{part}%"])  # seeded: twin sql-injection api

    def ranked(self, words: str, weight: str):
        """Pages by how well they match; titles weigh more."""
        table = self.model._meta.db_table
        return self.raw(f"SELECT *, ts_rank(vector, plainto_tsquery(%s)) * {int(weight)} AS rank FROM {table} ORDER BY rank DESC", [words])  # seeded: twin sql-injection typed


class Page(models.Model):
    """A page of the wiki."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    text = models.TextField()
    tags = models.TextField(default="")
    changed = models.DateTimeField(auto_now=True)
    owner = models.CharField(max_length=80)

    objects = PageQuerySet.as_manager()

    @classmethod
    def since(cls, day: str, order: str = "new"):
        """Pages that were changed since a day."""
        return cls.objects.raw("SELECT * FROM wiki_page WHERE changed > '" + day + "'")  # seeded: flaw sql-injection cross-module

    @classmethod
    def ordered(cls, order: str):
        """All pages, by a column."""
        return cls.objects.order_by(ORDERS.get(order, "-changed"))


def rename(old: str, new: str) -> int:
    """Change a tag on all pages; return on how many."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wiki_page SET tags = replace(tags, %s, %s)", (old, new))  # seeded: twin sql-injection api
        return cursor.rowcount


def drop_tag(tag: str) -> None:
    """Take a tag from all pages."""
    statement = "UPDATE wiki_page SET tags = replace(tags, '{}', '')"
    with connection.cursor() as cursor:
        cursor.execute(statement.format(tag))  # seeded: flaw sql-injection cross-module
