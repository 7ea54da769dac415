package haechi.tests.r30_weak_ways

import data.haechi.rules.r30_weak_ways
import data.testing

changed(setting, value) := json.patch(testing.sealed_seoul, [
	{"op": "replace", "path": concat("/", ["", "destination/facts/ways", setting]), "value": value},
])

test_silent_on_the_compliant_upload if {
	count(r30_weak_ways.findings) == 0 with input as testing.sealed_seoul
}

test_silent_on_strong_settings if {
	strong := json.patch(testing.sealed_seoul, [{"op": "replace", "path": "/destination/facts/ways", "value": {
		"sftp": false,
		"nfs": false,
		"local_users": false,
		"plain_http": false,
		"minimum_tls": "1.3",
	}}])
	count(r30_weak_ways.findings) == 0 with input as strong
}

test_speaks_on_each_weak_setting if {
	every setting, value in {"local_users": true, "plain_http": true, "minimum_tls": "1.0"} {
		some finding in r30_weak_ways.findings with input as changed(setting, value)
		finding.params.setting == setting
	}
}

test_unknown_is_not_strong if {
	every setting in ["local_users", "plain_http", "minimum_tls"] {
		count(r30_weak_ways.findings) == 1 with input as changed(setting, {"unknown": "not-told"})
	}
}

test_records_what_no_api_tells if {
	count(r30_weak_ways.findings) == 1 with input as changed("sftp", {"unknown": "not-supported"})
}
