#!/usr/bin/env python3
"""Exhaustive model of player ownership in a handoff: two zones, one player, one store. Keep it in step with zone/server/src/handoff.

Messages may be lost, repeated and late; any compare-and-swap may succeed while its answer is lost; zones crash, freeze past
their lease (they notice before they act) and come back as a new incarnation. Checked in every reachable state:
  I1  at most one zone simulates the player;
  I2  without further faults, a state in which exactly one does stays reachable;
and that each rule is needed: dropping it breaks I1 or I2 (run with --mutants).
"""
import sys
from collections import deque, namedtuple

R = namedtuple("R", "owner oe open rel by")       # store record: owner zone, owner epoch, handoff open, released, incarnation that committed it
Z = namedtuple("Z", "inc alive lease mode oe")    # mode: idle | own | committed | taking (back) | released
MAX_OE, CRASHES, EXPIRIES = 6, 2, 2

def acting(z):
    return z.alive and z.lease and z.mode in ("own", "committed", "taking")

def steps(s, off):
    """Successors of s as (label, is_fault, state); off: rules switched off."""
    r, zs, msgs, crashes, expiries = s
    out = []
    def put(label, r2=r, z=None, m=msgs, c=crashes, e=expiries, fault=False):
        zz = list(zs)
        for k, v in (z or {}).items():
            zz[k] = v
        out.append((label, fault, (r2, tuple(zz), m, c, e)))
    for i in (0, 1):
        j, z, o = 1 - i, zs[i], zs[1 - i]
        up = z.alive and z.lease
        if up and z.mode == "own" and r[:4] == (i, z.oe, False, False) and r.oe + 1 <= MAX_OE:
            committed = R(j, r.oe + 1, True, False, z.inc)
            put(f"commit {i}", committed, {i: z._replace(mode="committed")})
            put(f"commit {i}, answer lost", committed, fault=True)
        if up and z.mode == "own" and r.oe > z.oe:      # an unanswered swap is looked up before anything else
            ours = r == R(j, z.oe + 1, True, False, z.inc)
            mine = r[0] == i and not r.open
            put(f"look up {i}", z={i: z._replace(mode="own", oe=r.oe) if mine else z._replace(mode="committed" if ours else "idle")})
        if up and z.mode == "committed":
            stale = frozenset((j, o.inc, z.oe + 1) for _ in [0])
            keep = z._replace(mode="committed" if "stop before release" in off else "released")
            put(f"release {i}", z={i: keep}, m=msgs | stale)
            put(f"want back {i}", z={i: z._replace(mode="taking")})
        if up and z.mode == "taking":
            if r == R(j, z.oe + 1, True, False, z.inc) and r.oe + 1 <= MAX_OE:
                put(f"take back {i}", R(i, r.oe + 1, False, False, 0), {i: z._replace(mode="own", oe=r.oe + 1)})
                put(f"take back {i}, answer lost", R(i, r.oe + 1, False, False, 0), fault=True)
            elif r == R(i, z.oe + 2, False, False, 0):
                put(f"look up {i}: taken back", z={i: z._replace(mode="own", oe=r.oe)})
            else:
                put(f"look up {i}: lost", z={i: z._replace(mode="idle")})
        if z.alive and z.mode == "released":
            if r == R(j, z.oe + 1, True, False, z.inc) and "release through the store" not in off:
                put(f"release {i} into the record", r._replace(rel=True))
            if r.oe > z.oe + 1 or (r.oe == z.oe + 1 and (not r.open or r.rel)):
                put(f"done {i}", z={i: z._replace(mode="idle")})
        for (to, inc, oe) in msgs:
            if to == i and up and z.mode == "idle" and (inc == z.inc or "messages die with their incarnation" in off):
                if oe > z.oe or "ignore old releases" in off:
                    put(f"released to {i}", z={i: z._replace(mode="own", oe=oe)})
        if up and z.mode == "own" and r.owner == i and r.oe == z.oe and r.open:
            put(f"close {i}", R(i, r.oe, False, False, 0))
        if up and z.mode == "idle" and r.owner == i:
            if r.open and r.rel:
                put(f"take from record {i}", R(i, r.oe, False, False, 0), {i: z._replace(mode="own", oe=r.oe)})
                put(f"take from record {i}, answer lost", R(i, r.oe, False, False, 0), fault=True)
            if r.open and not r.rel and r.oe + 1 <= MAX_OE and (not o.lease or (o.inc != r.by and "lease of the one that committed" not in off) or "wait for the lease" in off):
                put(f"take over {i}", R(i, r.oe + 1, False, False, 0), {i: z._replace(mode="own", oe=r.oe + 1)})
                put(f"take over {i}, answer lost", R(i, r.oe + 1, False, False, 0), fault=True)
            if not r.open and r.oe + 1 <= MAX_OE:
                put(f"claim {i}", R(i, r.oe + 1, False, False, 0), {i: z._replace(mode="own", oe=r.oe + 1)})
                put(f"claim {i}, answer lost", R(i, r.oe + 1, False, False, 0), fault=True)
        if z.alive and crashes < CRASHES:
            put(f"crash {i}", z={i: z._replace(alive=False, mode="idle")}, c=crashes + 1, fault=True)
        if z.lease and not z.alive:
            put(f"lease of the dead {i} over", z={i: z._replace(lease=False)})
        if z.lease and z.alive and expiries < EXPIRIES:
            mode = z.mode if "fence itself" in off else ("released" if z.mode == "released" else "idle")
            put(f"lease of {i} over", z={i: z._replace(lease=False, mode=mode)}, e=expiries + 1, fault=True)
        if not z.lease:
            put(f"new incarnation {i}", z={i: Z(z.inc + 1, True, True, "idle", 0)})
    return out

def acting_in(z, off):
    return (z.alive and z.mode in ("own", "committed", "taking")) if "fence itself" in off else acting(z)

def check(off=frozenset()):
    start = (R(0, 1, False, False, 0), (Z(0, True, True, "own", 1), Z(0, True, True, "idle", 0)), frozenset(), 0, 0)
    seen, queue, back = {start: None}, deque([start]), {}
    while queue:
        s = queue.popleft()
        if sum(acting_in(z, off) for z in s[1]) > 1:
            path = []
            while s is not None and seen[s] is not None:
                path.append(seen[s][1]); s = seen[s][0]
            return "two owners: " + " → ".join(reversed(path)), len(seen)
        for label, fault, t in steps(s, off):
            if not fault:
                back.setdefault(t, []).append(s)
            if t not in seen:
                seen[t] = (s, label); queue.append(t)
    good = deque(s for s in seen if sum(acting_in(z, off) for z in s[1]) == 1)
    reach = set(good)
    while good:
        for p in back.get(good.popleft(), []):
            if p not in reach:
                reach.add(p); good.append(p)
    for s in seen:
        if s not in reach and s[0].oe + 2 < MAX_OE:     # not merely out of model epochs
            path = []
            t = s
            while seen[t] is not None:
                path.append(seen[t][1]); t = seen[t][0]
            return "nobody for ever: " + " → ".join(reversed(path)), len(seen)
    return None, len(seen)

if __name__ == "__main__":
    problem, n = check()
    print(f"{n} states:", problem or "I1 and I2 hold")
    bad = problem is not None
    if "--mutants" in sys.argv:
        for rule in ("stop before release", "wait for the lease", "fence itself", "ignore old releases", "messages die with their incarnation", "release through the store", "lease of the one that committed"):
            problem, n = check(frozenset([rule]))
            print(f"without '{rule}': {problem or 'still holds'}")
    sys.exit(bad)
