"""Payrelay: takes the payment providers' webhooks, keeps a ledger, shows it to the merchants."""

from bottle import Bottle, run

import admin
import checkout
import webhooks

app = Bottle()
app.merge(webhooks.app)
app.merge(checkout.app)
app.merge(admin.app)

if __name__ == "__main__":
    run(app, host="127.0.0.1", port=8085)
