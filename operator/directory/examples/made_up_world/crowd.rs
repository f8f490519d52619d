//! Players who wander, gather, wander again and leave.

use darkages_topology::Position;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const HALF_M: f32 = 490.0;
const SPEED_M_PER_S: f32 = 9.0;

/// Seconds of one round: come in, gather, stand together, scatter.
pub const ROUND_S: f32 = 150.0;

struct Walker {
    at: [f32; 2],
    goal: [f32; 2],
    home: [f32; 2],
    place: [f32; 2],
    joins_at: f32,
}

/// Everybody, in the world or not yet.
pub struct Crowd {
    walkers: Vec<Walker>,
    random: StdRng,
    seconds: f32,
}

impl Crowd {
    /// `players` who join during the first seconds.
    pub fn new(players: u32) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let walkers = (0..players)
            .map(|index| {
                let home = [random.random_range(-HALF_M..HALF_M), random.random_range(-HALF_M..HALF_M)];
                let reach = 150.0 * random.random_range(0.0f32..1.0).powf(0.8);
                let angle = random.random_range(0.0..std::f32::consts::TAU);
                let place = [130.0 + reach * angle.cos(), -60.0 + reach * angle.sin()];
                Walker { at: home, goal: home, home, place, joins_at: 6.0 * index as f32 / players as f32 }
            })
            .collect();
        Self { walkers, random, seconds: 0.0 }
    }

    /// Lets everybody walk for `step` seconds.
    pub fn walk(&mut self, seconds: f32, step: f32) {
        self.seconds = seconds;
        let gathered = (10.0..ROUND_S * 0.66).contains(&(seconds % ROUND_S));
        for walker in &mut self.walkers {
            let away = [walker.goal[0] - walker.at[0], walker.goal[1] - walker.at[1]];
            let distance = away[0].hypot(away[1]);
            if distance < 1.0 {
                let (centre, spread) = if gathered { (walker.place, 14.0) } else { (walker.home, 90.0) };
                let random = &mut self.random;
                walker.goal = centre.map(|axis| (axis + random.random_range(-spread..spread)).clamp(-HALF_M, HALF_M));
            } else {
                let step = (SPEED_M_PER_S * step).min(distance) / distance;
                walker.at = [walker.at[0] + away[0] * step, walker.at[1] + away[1] * step];
                // Called together or sent home, a walker changes its mind on the way.
                let centre = if gathered { walker.place } else { walker.home };
                if (walker.goal[0] - centre[0]).abs() > 90.0 || (walker.goal[1] - centre[1]).abs() > 90.0 {
                    walker.goal = centre;
                }
            }
        }
    }

    /// Who is in the world, and where.
    pub fn positions(&self) -> impl Iterator<Item = (u32, Position)> {
        let here = self.walkers.iter().enumerate().filter(|(_, walker)| walker.joins_at <= self.seconds);
        here.map(|(index, walker)| {
            let [x, y] = walker.at.map(|metres| (metres * 64.0) as i32);
            (index as u32, Position { x, y })
        })
    }
}
