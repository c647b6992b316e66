"""The operators' console, on tornado."""

import hashlib
import logging

import jsonpickle
import paramiko
import tornado.escape
import tornado.ioloop
import tornado.web
import tornado.websocket

MACHINES = {"web": "10.0.0.2", "mail": "10.0.0.3"}


class Base(tornado.web.RequestHandler):
    def initialize(self):
        self.log = logging.getLogger("console")

    def machine(self):
        client = paramiko.SSHClient()
        client.load_system_host_keys()
        client.connect(MACHINES[self.get_argument("machine", "web")])
        return client

    def fail(self, text):
        self.set_status(400)
        self.finish("<p class='error'>" + text + "</p>")  # seeded: flaw xss inheritance


class Uptime(Base):
    def get(self):
        if self.get_argument("machine") not in MACHINES:
            self.fail("no machine " + self.get_argument("machine"))
            return
        _, output, _ = self.machine().exec_command("uptime")  # seeded: twin command-injection constant
        self.write({"uptime": output.read().decode()})


class Tail(Base):
    def get(self):
        lines = self.get_argument("lines", "10")
        _, output, _ = self.machine().exec_command("tail -n " + lines + " /var/log/syslog")  # seeded: flaw command-injection class
        self.set_header("Content-Type", "text/plain")
        self.finish(output.read())


class TailNumber(Base):
    def get(self):
        try:
            lines = int(self.get_argument("lines", "10"))
        except ValueError:
            self.fail("lines must be a number")
            return
        _, output, _ = self.machine().exec_command(f"tail -n {lines} /var/log/syslog")  # seeded: twin command-injection typed
        self.finish(output.read())


class Service(Base):
    def post(self, name):
        if name not in MACHINES:
            self.fail("no machine " + name)
            return
        self.log.info("restart of %s", name)  # seeded: twin log-injection allow-list
        self.write("<p>restarting " + tornado.escape.xhtml_escape(self.get_argument("why", "")) + "</p>")  # seeded: twin xss sanitised


class Note(Base):
    def post(self):
        self.log.error("note: " + self.get_body_argument("text"))  # seeded: flaw log-injection class
        self.redirect(self.get_argument("next"))  # seeded: flaw open-redirect direct


class Session(Base):
    def get(self):
        user = self.get_argument("user")
        key = hashlib.sha1(user.encode()).hexdigest()  # seeded: flaw weak-hash direct
        self.set_cookie("key", key)  # seeded: flaw insecure-cookie direct
        self.set_signed_cookie("user", user, secure=True, httponly=True)  # seeded: twin insecure-cookie api
        self.redirect("/?welcome=" + tornado.escape.url_escape(user))  # seeded: twin open-redirect sanitised


class Live(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        state = jsonpickle.decode(message)  # seeded: flaw deserialization direct
        self.write_message({"keys": len(state)})


class LiveJson(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        state = tornado.escape.json_decode(message)  # seeded: twin deserialization api
        self.write_message({"keys": len(state)})


def application():
    return tornado.web.Application(
        [
            (r"/uptime", Uptime),
            (r"/tail", Tail),
            (r"/tail-number", TailNumber),
            (r"/service/(\w+)", Service),
            (r"/note", Note),
            (r"/session", Session),
            (r"/live", Live),
            (r"/live-json", LiveJson),
        ]
    )


if __name__ == "__main__":
    application().listen(8888)
    tornado.ioloop.IOLoop.current().start()
