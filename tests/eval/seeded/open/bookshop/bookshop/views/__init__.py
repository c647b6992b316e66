from . import account, admin, catalog, files, search, staff


def register(app):
    app.register_blueprint(catalog.bp)
    app.register_blueprint(account.bp, url_prefix="/account")
    app.register_blueprint(admin.bp, url_prefix="/admin")
    app.register_blueprint(files.bp, url_prefix="/files")
    app.register_blueprint(search.bp, url_prefix="/search")
    app.register_blueprint(staff.bp, url_prefix="/staff")
