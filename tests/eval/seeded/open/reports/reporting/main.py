"""The reporting service (FastAPI)."""

from fastapi import FastAPI

from reporting.routes import documents, figures

app = FastAPI(title="Reports")
app.include_router(figures.router)
app.include_router(documents.router)
