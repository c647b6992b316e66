"""What the club knows of its members."""

from django.db import connection, models

ORDERS = {"name": "last_name", "age": "born DESC"}


class Member(models.Model):
    """Somebody who pays a fee."""

    name = models.CharField(max_length=100)
    town = models.CharField(max_length=100)
    motto = models.TextField(blank=True)
    mail = models.EmailField()
    password = models.CharField(max_length=200)

    class Meta:
        """The table is older than this program."""

        db_table = "member"


class Event(models.Model):
    """Something that members can go to."""

    title = models.CharField(max_length=100)
    place = models.CharField(max_length=100)


class Roll:
    """The list of members as the old program kept it: tables of their own."""

    table = "member"

    def select(self, where: str) -> list:
        """Return the rows that meet a condition."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id, name, town FROM {self.table} WHERE {where}")  # seeded: flaw sql-injection inheritance
            return cursor.fetchall()

    def size(self) -> int:
        """Return how many there are."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {self.table}")  # seeded: twin sql-injection constant
            return cursor.fetchone()[0]


class JuniorRoll(Roll):
    """The young members."""

    table = "junior"

    def in_town(self, town: str) -> list:
        """Return the young members of a town."""
        return self.select("town = '" + town + "' AND active")
