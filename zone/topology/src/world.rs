//! The constants of a world that zones, clients and the planner share.

/// Fixed-point units in a metre: positions are whole multiples of 1/64 m.
pub const UNITS_PER_METRE: i32 = 64;

/// Farthest coordinate of a world, in metres: bounds lie within ±100 km.
pub const MAX_COORDINATE_M: i32 = 100_000;

/// Simulation steps a second.
pub const TICK_RATE_HZ: u32 = 60;

/// Nanoseconds of a tick. Whole milliseconds cannot make 60 Hz; the third of a nanosecond that is lost here is made up by
/// computing each deadline from the tick's number.
pub const TICK_NANOS: u64 = 1_000_000_000 / TICK_RATE_HZ as u64;

/// Snapshots a second to each client.
pub const SNAPSHOT_RATE_HZ: u32 = 20;

/// Walking speed in metres a second.
pub const WALK_SPEED_M_PER_S: i32 = 6;

/// Sprinting speed in metres a second: 1.5 times walking.
pub const SPRINT_SPEED_M_PER_S: i32 = 9;

/// Width of the band on each side of a border, in metres, whose entities the neighbour knows as ghosts.
pub const BORDER_M: i32 = 50;

/// Radii of the interest rings, in metres, and the share of the snapshot rate at which what stands in them is sent, in percent.
pub const INTEREST_RINGS: [(i32, u32); 3] = [(50, 100), (100, 50), (200, 10)];

/// Bytes a second of UDP payload to one client, at most. A player in a crowd of hundreds sees the nearest twenty times a second
/// within it; 20 KB/s is what a client must be able to take.
pub const CLIENT_DOWN_BYTES_PER_S: u32 = 12_000;

/// Hit points of a player in full health.
pub const FULL_HIT_POINTS: u16 = 100;
