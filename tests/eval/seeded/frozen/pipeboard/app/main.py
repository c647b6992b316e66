"""The ASGI application."""

from fastapi import FastAPI

from app.routes import artifacts, hooks, pages, pipelines

app = FastAPI(title="pipeboard")
app.include_router(pipelines.router, prefix="/pipelines", tags=["pipelines"])
app.include_router(artifacts.router, prefix="/artifacts", tags=["artifacts"])
app.include_router(hooks.router, prefix="/hooks", tags=["hooks"])
app.include_router(pages.router, tags=["pages"])
