from fastapi import FastAPI

from tracker.routers import accounts, hooks, labels, parcels, people

app = FastAPI(title="Tracker")
app.include_router(parcels.router, prefix="/parcels")
app.include_router(hooks.router, prefix="/hooks")
app.include_router(labels.router, prefix="/labels")
app.include_router(accounts.router, prefix="/accounts")
app.include_router(people.router, prefix="/people")


@app.get("/health")
async def health():
    return {"ok": True}
