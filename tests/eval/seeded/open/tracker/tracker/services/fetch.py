import socket
from urllib.parse import urlparse

import httpx

CARRIERS = {"fast": "https://api.fast.example", "slow": "https://slow.example/api"}


class Unsafe(ValueError):
    pass


async def ping(url: str) -> int:
    async with httpx.AsyncClient(timeout=5) as client:
        answer = await client.get(url)  # seeded: flaw ssrf async
    return answer.status_code


async def deliver(url: str, event: dict) -> int:
    async with httpx.AsyncClient(timeout=5) as client:
        answer = await client.request("POST", url, json=event)  # seeded: flaw ssrf container
    return answer.status_code


async def track(carrier: str, code: str) -> dict:
    base = CARRIERS.get(carrier)
    if base is None:
        raise Unsafe(carrier)
    async with httpx.AsyncClient(timeout=5) as client:
        answer = await client.get(f"{base}/track", params={"code": code})  # seeded: twin ssrf allow-list
    return answer.json()


async def rates(country: str) -> dict:
    async with httpx.AsyncClient(timeout=5) as client:
        answer = await client.get("https://rates.example/v1/" + country)  # seeded: twin ssrf constant
    return answer.json()


def port_open(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):  # seeded: flaw ssrf cross-module
            return True
    except OSError:
        return False


def allowed(url: str) -> str:
    if urlparse(url).netloc not in {"hooks.example", "hooks2.example"}:
        raise Unsafe(url)
    return url
