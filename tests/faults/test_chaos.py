"""Rounds of faults under load: `make chaos`, CHAOS_ROUNDS=n (default 5, at most 200), CHAOS_SEED=n to have them again."""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from tests.bus.eventually import eventually
from tests.faults.scene import Load, Scene, open_scene

ROUNDS = min(200, max(1, int(os.environ.get("CHAOS_ROUNDS", "5"))))
SEED = int(os.environ.get("CHAOS_SEED", "1"))


async def kill_a_worker(scene: Scene, chance: random.Random, serial: int) -> None:
    await scene.end(chance.choice(sorted(scene.workers)), signal.SIGKILL)
    await scene.start_worker(f"worker{serial}")


async def stop_a_worker_for_longer_than_its_lease(scene: Scene, chance: random.Random, _: int) -> None:
    victim = chance.choice(sorted(scene.workers))
    scene.send(victim, signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(5.5, 8.0))  # the fault's own length
    scene.send(victim, signal.SIGCONT)


async def replace_a_worker(scene: Scene, chance: random.Random, serial: int) -> None:
    assert await scene.end(chance.choice(sorted(scene.workers)), signal.SIGTERM) == 0
    await scene.start_worker(f"worker{serial}")


async def kill_the_server(scene: Scene, chance: random.Random, _: int) -> None:
    await scene.server.kill()
    await asyncio.sleep(chance.uniform(0.0, 2.0))
    await scene.server.restart()


async def freeze_the_server(scene: Scene, chance: random.Random, _: int) -> None:
    os.kill(scene.server.pid, signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.5, 6.0))
    os.kill(scene.server.pid, signal.SIGCONT)


FAULTS = (
    kill_a_worker,
    stop_a_worker_for_longer_than_its_lease,
    replace_a_worker,
    kill_the_server,
    freeze_the_server,
)


@pytest.mark.chaos
@pytest.mark.timeout(60 + 60 * ROUNDS)
async def test_rounds_of_faults(tmp_path: Path) -> None:
    """Phases: quiet, faults, heal, drain, check."""
    chance = random.Random(SEED)  # noqa: S311  repeatable, not secret
    async with open_scene(tmp_path) as scene:
        for number in range(3):
            await scene.start_worker(f"worker{number}")
        async with Load(scene, clients=16, sleep_s=0.02) as load:
            await load.progress(200)
            for number in range(ROUNDS):
                if number % len(FAULTS) == 0:
                    order = chance.sample(FAULTS, len(FAULTS))
                fault = order[number % len(FAULTS)]
                print(f"round {number + 1} of {ROUNDS}, seed {SEED}: {fault.__name__}")  # noqa: T201
                await fault(scene, chance, 3 + number)
                await load.progress(100)
        await eventually(scene.rig.all_settled, within_s=60)
        await scene.check(load.submitted)
