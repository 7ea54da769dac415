module haechi/bench

go 1.22
