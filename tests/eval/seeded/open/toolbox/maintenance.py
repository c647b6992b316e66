"""Maintenance from the command line."""

import argparse
import ast
import operator
import os
import shlex
import sqlite3
import subprocess
import sys

OPERATIONS = {"add": operator.add, "sub": operator.sub}
SERVICES = ("web", "mail")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("action")
    parser.add_argument("--service", default="web")
    parser.add_argument("--expression", default="1 + 1")
    parser.add_argument("--user")
    return parser.parse_args()


def restart(service):
    return os.popen("systemctl restart " + service).read()  # seeded: flaw command-injection helper


def restart_known(service):
    if service not in SERVICES:
        sys.exit(f"no service {service}")
    return os.popen("systemctl restart " + service).read()  # seeded: twin command-injection allow-list


def calculate(expression):
    return eval(expression)  # seeded: flaw code-injection helper


def calculate_literal(expression):
    return ast.literal_eval(expression)  # seeded: twin code-injection api


def calculate_operation(name, left, right):
    return OPERATIONS[name](left, right)


def last_login(user):
    connection = sqlite3.connect("/var/lib/users.db")
    statement = f"SELECT last FROM logins WHERE user = '{user}'"
    try:
        return connection.execute(statement).fetchone()  # seeded: flaw sql-injection helper
    finally:
        connection.close()


def edit(path):
    editor = os.environ.get("EDITOR", "vi")
    subprocess.call(f"{editor} {shlex.quote(path)}", shell=True)  # seeded: flaw command-injection direct


def page(path):
    pager = "less" if sys.stdout.isatty() else "cat"
    subprocess.call(f"{pager} {shlex.quote(path)}", shell=True)  # seeded: twin command-injection constant


def main():
    options = arguments()
    if options.action == "restart":
        print(restart(options.service))
    elif options.action == "restart-known":
        print(restart_known(options.service))
    elif options.action == "calculate":
        print(calculate(options.expression))
    elif options.action == "literal":
        print(calculate_literal(options.expression))
    elif options.action == "last":
        print(last_login(options.user))
    elif options.action == "edit":
        edit("/etc/motd")
    else:
        page("/etc/motd")


if __name__ == "__main__":
    main()
