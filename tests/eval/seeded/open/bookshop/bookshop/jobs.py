"""Programs that the shop runs."""

import os
import shlex
import subprocess


def convert(source, target, quality):
    command = f"convert {source} -quality {quality} {target}"
    return os.system(command)  # seeded: flaw command-injection cross-module


def convert_quoted(source, target, quality):
    command = "convert %s -quality %d %s" % (shlex.quote(source), quality, shlex.quote(target))
    return os.system(command)  # seeded: twin command-injection sanitised


def thumbnail(source):
    return subprocess.run(["thumbnail", "--", source], check=True, capture_output=True)  # seeded: twin command-injection api


class Job:
    def __init__(self, program):
        self.argv = [program]

    def add(self, *arguments):
        self.argv.extend(arguments)
        return self

    def start(self):
        return subprocess.Popen(" ".join(self.argv), shell=True)  # seeded: flaw command-injection class


class SafeJob(Job):
    def start(self):
        return subprocess.Popen(shlex.join(self.argv), shell=True)  # seeded: twin command-injection sanitised


REPORTS = {"sales": "report-sales", "stock": "report-stock --all"}


def report(name):
    if name in REPORTS:
        command = REPORTS[name]
    else:
        command = "report-default"
    return subprocess.check_output(command, shell=True)  # seeded: twin command-injection allow-list
