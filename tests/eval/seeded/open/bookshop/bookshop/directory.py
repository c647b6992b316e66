"""The staff directory."""

import ldap
import ldap.filter
from flask import current_app
from ldap.dn import escape_dn_chars
from lxml import etree

BASE = "ou=staff,dc=bookshop,dc=example"


def connect():
    connection = ldap.initialize(current_app.config["LDAP_URL"])
    connection.simple_bind_s(current_app.config["LDAP_USER"], current_app.config["LDAP_PASSWORD"])
    return connection


def person(uid):
    return connect().search_s(BASE, ldap.SCOPE_SUBTREE, f"(uid={uid})")  # seeded: flaw ldap-injection cross-module


def person_escaped(uid):
    condition = "(uid=%s)" % ldap.filter.escape_filter_chars(uid)
    return connect().search_s(BASE, ldap.SCOPE_SUBTREE, condition)  # seeded: twin ldap-injection sanitised


def members(group):
    base = f"cn={group},ou=groups,dc=bookshop,dc=example"
    connection = connect()
    return connection.search_ext_s(base, ldap.SCOPE_BASE)  # seeded: flaw ldap-injection cross-module


def members_escaped(group):
    base = f"cn={escape_dn_chars(group)},ou=groups,dc=bookshop,dc=example"
    connection = connect()
    return connection.search_ext_s(base, ldap.SCOPE_BASE)  # seeded: twin ldap-injection sanitised


class Rota:
    """Who works when, in a file that the planning program writes."""

    def __init__(self, path):
        self.tree = etree.parse(path)

    def shifts(self, name):
        return self.tree.xpath("//shift[@who='" + name + "']")  # seeded: flaw xpath-injection class

    def shifts_of(self, name):
        return self.tree.xpath("//shift[@who=$who]", who=name)  # seeded: twin xpath-injection api

    def on_day(self, number):
        day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[number % 7]
        return self.tree.xpath(f"//shift[@day='{day}']")  # seeded: twin xpath-injection constant
