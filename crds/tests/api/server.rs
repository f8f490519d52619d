//! The server that these tests run on.

use darkages_servers::kubernetes::Cluster;

#[test]
#[ignore = "needs an API server: make api"]
fn servers_run_side_by_side_and_go_when_they_are_dropped() {
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(Cluster::start);
        let other = Cluster::start();
        (one.join().expect("it starts"), other)
    });
    let namespace = one.new_namespace();
    let there = |cluster: &Cluster| {
        let mut kubectl = cluster.kubectl();
        kubectl.args(["get", "namespace", &namespace]).output().expect("kubectl runs").status.success()
    };
    assert!(there(&one) && !there(&other), "each has its own resources");
    for cluster in [one, other] {
        let kubeconfig = cluster.kubeconfig().to_owned();
        let folder = kubeconfig.parent().expect("it is in a folder");
        let processes = || {
            let of_folder = std::process::Command::new("pgrep").arg("-f").arg(folder).output().expect("pgrep runs");
            String::from_utf8_lossy(&of_folder.stdout).lines().count()
        };
        assert!(processes() >= 2, "etcd and an API server run");
        drop(cluster);
        assert_eq!(processes(), 0, "nothing of it runs");
        assert!(!folder.exists(), "nothing of it is kept");
    }
}
