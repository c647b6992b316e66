from django.db import connection, models


class PatientQuerySet(models.QuerySet):
    def admitted(self):
        return self.filter(discharged__isnull=True)

    def matching(self, condition):
        return self.extra(where=[condition])  # seeded: flaw sql-injection cross-module


class Patient(models.Model):
    name = models.CharField(max_length=200)
    ward = models.CharField(max_length=20)
    born = models.DateField()
    discharged = models.DateField(null=True)

    objects = PatientQuerySet.as_manager()

    @classmethod
    def named(cls, name):
        return cls.objects.raw("SELECT * FROM patients_patient WHERE name = '%s'" % name)  # seeded: flaw sql-injection cross-module

    @classmethod
    def named_bound(cls, name):
        return cls.objects.raw("SELECT * FROM patients_patient WHERE name = %s", [name])  # seeded: twin sql-injection api


class Statistics:
    """Numbers that the ORM would be too slow for."""

    TABLES = ("patients_patient", "patients_visit")

    def __init__(self, table, column):
        self.table = table
        self.column = column

    def rows(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s, count(*) FROM %s GROUP BY 1" % (self.column, self.table))  # seeded: flaw sql-injection class
            return cursor.fetchall()


class KnownStatistics(Statistics):
    COLUMNS = {"ward": "ward", "year": "extract(year from born)"}

    def rows(self):
        with connection.cursor() as cursor:
            column = self.COLUMNS.get(self.column, "ward")
            cursor.execute(f"SELECT {column}, count(*) FROM {self.TABLES[0]} GROUP BY 1")  # seeded: twin sql-injection allow-list
            return cursor.fetchall()
