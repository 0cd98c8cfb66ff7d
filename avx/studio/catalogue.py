"""The one table of the embedded dataset's classes: what happens, what is seen, what is heard, what is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from avx.studio import motions, sounds
from avx.studio.canvas import Pen
from avx.studio.plans import Plan
from avx.studio.scenes import Look, machines, nature, struck


@dataclasses.dataclass(frozen=True)
class Kind:
    """A thing that moves and sounds.

    Attributes:
      name: the class.
      plan: (rng, duration) -> Plan.
      draw: (pen, plan, look, time) draws one moment.
      sound: (plan, rng, sample_rate) -> (N,) waveform.
      captions: sentences with the fields {colour} and {speed}.
    """

    name: str
    plan: Callable[[np.random.Generator, float], Plan]
    draw: Callable[[Pen, Plan, Look, float], None]
    sound: Callable[[Plan, np.random.Generator, int], np.ndarray]
    captions: tuple[str, ...]


KINDS: tuple[Kind, ...] = (
    Kind(
        "bouncing_ball",
        motions.bounces,
        struck.ball,
        sounds.thuds,
        (
            "a {colour} ball bounces {speed} on the floor",
            "a rubber ball in {colour} drops and bounces {speed}",
            "someone lets a {colour} ball bounce {speed}",
        ),
    ),
    Kind(
        "pendulum_clock",
        motions.swings(0.6, 1.5, at_extremes=False),
        struck.clock,
        sounds.ticks,
        (
            "a {colour} clock ticks {speed} as its pendulum swings",
            "the pendulum of a {colour} wall clock swings {speed}",
            "tick tock goes a {colour} clock, {speed}",
        ),
    ),
    Kind(
        "hammer_anvil",
        motions.rhythm(1.05, 0.4),
        struck.anvil,
        sounds.clangs,
        (
            "a {colour} hammer hits an anvil {speed}",
            "sparks fly as a hammer with a {colour} head strikes an anvil {speed}",
            "a smith works {speed} with a {colour} hammer on ringing iron",
        ),
    ),
    Kind(
        "snare_drum",
        motions.rhythm(0.55, 0.22),
        struck.drum,
        sounds.drumming,
        (
            "two sticks beat a {colour} drum {speed}",
            "a {colour} snare drum is played {speed}",
            "someone drums {speed} on a {colour} drum",
        ),
    ),
    Kind(
        "church_bell",
        motions.swings(0.32, 0.75, at_extremes=True),
        struck.bell,
        sounds.tolls,
        (
            "a {colour} bell swings and tolls {speed}",
            "a {colour} church bell rings {speed} from its beam",
            "the clapper strikes a {colour} bell {speed}",
        ),
    ),
    Kind(
        "dripping_tap",
        motions.rhythm(1.2, 0.42, earliest=0.4),
        nature.tap,
        sounds.drips,
        (
            "a {colour} tap drips {speed} into a basin",
            "drops fall {speed} from a {colour} tap",
            "water drips {speed} from a leaking {colour} tap and makes rings",
        ),
    ),
    Kind(
        "siren_lamp",
        motions.turns(0.4, 1.1, events_per_turn=1, unsteady=0.35),
        machines.siren_lamp,
        sounds.siren,
        (
            "a {colour} warning lamp turns {speed} while a siren wails",
            "the beam of a {colour} beacon sweeps round {speed}",
            "a siren rises and falls {speed} under a {colour} lamp",
        ),
    ),
    Kind(
        "steam_train",
        motions.turns(0.75, 2.0, events_per_turn=2, unsteady=0.3),
        machines.train,
        sounds.steam_engine,
        (
            "a {colour} steam train rolls {speed} along the rails",
            "a {colour} locomotive puffs {speed} over clacking rails",
            "the wheels of a {colour} steam engine turn {speed}",
        ),
    ),
    Kind(
        "chirping_bird",
        motions.rhythm(1.2, 0.45),
        nature.bird,
        sounds.chirps,
        (
            "a {colour} bird chirps {speed} on a branch",
            "a {colour} bird sings and flaps its wings {speed}",
            "on a branch a {colour} songbird calls {speed}",
        ),
    ),
    Kind(
        "croaking_frog",
        motions.rhythm(1.2, 0.46),
        nature.frog,
        sounds.croaks,
        (
            "a {colour} frog croaks {speed} on a leaf",
            "the throat of a {colour} frog swells as it croaks {speed}",
            "a {colour} frog hops and croaks {speed}",
        ),
    ),
    Kind(
        "rain_umbrella",
        motions.swells(2.0, 0.9, calm=0.15),
        nature.umbrella,
        sounds.rainfall,
        (
            "rain falls on a {colour} umbrella in gusts that follow {speed}",
            "a {colour} umbrella in the pouring rain",
            "gusts of rain beat {speed} on a {colour} umbrella",
        ),
    ),
    Kind(
        "fireworks",
        motions.rhythm(1.15, 0.6, earliest=0.45, notes=3),
        nature.fireworks,
        sounds.fireworks,
        (
            "{colour} fireworks burst {speed} over a town",
            "rockets climb and burst {speed} into {colour} sparks",
            "{colour} fireworks crackle above the roofs, one after another, {speed}",
        ),
    ),
    Kind(
        "xylophone",
        motions.rhythm(0.5, 0.22, notes=5),
        struck.xylophone,
        sounds.mallets,
        (
            "a mallet plays {speed} on a {colour} xylophone",
            "the bars of a {colour} xylophone light up {speed}",
            "someone plays a {colour} xylophone {speed}",
        ),
    ),
    Kind(
        "guitar",
        motions.rhythm(0.7, 0.32, notes=4),
        struck.guitar,
        sounds.plucks,
        (
            "the strings of a {colour} guitar are plucked {speed}",
            "someone plucks a {colour} guitar {speed}",
            "a {colour} guitar plays {speed}, note by note",
        ),
    ),
    Kind(
        "typewriter",
        motions.typing,
        machines.typewriter,
        sounds.keystrokes,
        (
            "someone types {speed} on a {colour} typewriter",
            "the carriage of a {colour} typewriter moves {speed}",
            "a {colour} typewriter clatters {speed} and rings at the end of a line",
        ),
    ),
    Kind(
        "creaking_door",
        motions.moves(1.1, 0.5, rest=0.5, returns=False),
        machines.door,
        sounds.creaks,
        (
            "a {colour} door creaks {speed} on its hinges",
            "a {colour} door swings {speed} open and shut",
            "rusty hinges squeak as a {colour} door moves {speed}",
        ),
    ),
    Kind(
        "wood_saw",
        motions.moves(0.75, 0.28, rest=0.35, returns=True),
        machines.saw,
        sounds.sawing,
        (
            "a saw with a {colour} handle cuts {speed} through a log",
            "someone saws wood {speed} with a {colour} saw",
            "a {colour} saw goes {speed} back and forth in a log",
        ),
    ),
    Kind(
        "windmill",
        motions.turns(0.14, 0.5, events_per_turn=4, unsteady=0.5),
        machines.windmill,
        sounds.whooshes,
        (
            "the {colour} sails of a windmill turn {speed}",
            "a windmill with {colour} sails whooshes {speed} in the wind",
            "{colour} sails go round {speed} on a hill",
        ),
    ),
    Kind(
        "telephone",
        motions.rings,
        machines.telephone,
        sounds.telephone,
        (
            "a {colour} telephone rings and shakes",
            "an old {colour} telephone rings {speed}",
            "nobody answers the {colour} telephone that rings {speed}",
        ),
    ),
    Kind(
        "rolling_waves",
        motions.swells(2.4, 1.2, calm=0.08),
        nature.waves,
        sounds.surf,
        (
            "a {colour} boat rocks {speed} on rolling waves",
            "waves swell and break {speed} under a {colour} boat",
            "a {colour} sailing boat rides the surf {speed}",
        ),
    ),
)

NAMES = tuple(kind.name for kind in KINDS)
