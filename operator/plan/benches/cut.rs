//! How long the search for a cut takes. `cargo bench -p darkages-plan` prints the median of each crowd.

use std::hint::black_box;
use std::time::Instant;

use darkages_plan::config::CutConfig;
use darkages_plan::{CostModel, Cut, CutRules};
use darkages_topology::{Position, Rect};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

const ROUNDS: usize = 200;

fn main() {
    let ground = Rect::new(Position::default(), Position::from_metres(1000, 1000)).expect("a square is a rectangle");
    let (config, costs) = (CutConfig::default(), CostModel::default());
    for players in [500, 1000, 5000] {
        for extent in [50, 100, 300, 1000] {
            let mut random = Pcg64Mcg::seed_from_u64(1);
            let mut coordinate = || random.random_range(0..extent * 64);
            let crowd: Vec<_> = (0..players).map(|_| Position { x: coordinate(), y: coordinate() }).collect();
            let mut micros: Vec<u128> = (0..ROUNDS)
                .map(|_| {
                    let start = Instant::now();
                    let found = Cut::find(CutRules { config: &config, costs: &costs }, ground, black_box(&crowd), &[]);
                    black_box(found).expect("a spread crowd can be cut");
                    start.elapsed().as_micros()
                })
                .collect();
            micros.sort_unstable();
            println!("{players} players on {extent} m × {extent} m: {} µs", micros[ROUNDS / 2]);
        }
    }
}
