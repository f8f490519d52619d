//! The map's files and its stream over HTTP.

mod scene;

use std::io::{BufRead as _, BufReader};

use darkages_directory::stream::SUBSCRIBERS;

use crate::scene::{Scene, agent};

type Lines = std::io::Lines<BufReader<ureq::BodyReader<'static>>>;

fn subscribe(scene: &Scene) -> Result<Lines, u16> {
    let response = agent().get(format!("{}/v1/world/stream", scene.url)).call().expect("the directory answers");
    match response.status().as_u16() {
        200 => Ok(BufReader::new(response.into_body().into_reader()).lines()),
        refused => Err(refused),
    }
}

fn next_frame(lines: &mut Lines) -> Option<serde_json::Value> {
    let line = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("data: "))?;
    Some(serde_json::from_str(&line["data: ".len()..]).expect("each frame is JSON"))
}

#[test]
fn the_page_is_served_with_a_policy_that_lets_nothing_in() {
    let scene = Scene::new();
    let page = agent().get(&scene.url).call().expect("the directory answers");
    let policy = page.headers()["content-security-policy"].to_str().expect("it is text").to_owned();
    assert!(policy.starts_with("default-src 'none'"));
    let html = page.into_body().read_to_string().expect("the page arrives");
    assert!(html.contains("<canvas id=\"map\""));
    assert!(!html.contains("https://") && !html.contains("http://"), "nothing from elsewhere");
    for file in ["page.css", "page.js", "feed.js", "map.js", "icon.svg", "colours.js"] {
        assert_eq!(scene.get(&format!("/map/{file}")).status, 200, "{file}");
    }
    assert_eq!(scene.get("/map/nothing.js").status, 404);
}

#[test]
fn the_stream_follows_the_world_and_ends_with_the_directory() {
    let scene = Scene::new();
    let mut lines = subscribe(&scene).expect("there is room");
    let first = next_frame(&mut lines).expect("the world as it is comes first");
    assert_eq!(first["zones"].as_array().map(Vec::len), Some(2));
    scene.change(|view| view.standby = 9);
    let seen = std::iter::from_fn(|| next_frame(&mut lines)).find(|frame| frame["standby"] == 9);
    assert!(seen.is_some());
    scene.close();
    assert!(std::iter::from_fn(|| next_frame(&mut lines)).count() < 100, "it ends");
}

#[test]
fn the_number_of_watchers_is_bounded() {
    let scene = Scene::new();
    let mut watching: Vec<Lines> = (0..SUBSCRIBERS).map(|_| subscribe(&scene).expect("there is room")).collect();
    assert_eq!(subscribe(&scene).err(), Some(503));
    assert!(next_frame(&mut watching[0]).is_some());
}
