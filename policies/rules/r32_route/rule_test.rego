package haechi.tests.r32_route

import data.haechi.rules.r32_route
import data.testing

test_silent_on_the_compliant_upload if {
	count(r32_route.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_acceleration if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/route/accelerated", "value": true},
	])
	some finding in r32_route.findings with input as changed
	finding.rule == "r32_route"
}

worldwide := json.patch(testing.sealed_seoul, [
	{"op": "replace", "path": "/request/route/country", "value": {"unknown": "global-endpoint"}},
])

test_names_the_region_whose_endpoint_to_take if {
	some finding in r32_route.findings with input as worldwide
	finding.params.reason == "global"
	finding.params.region == "ap-northeast-2"
}

test_an_institution_may_accept_it_for_sealed_content if {
	count(r32_route.findings) == 0 with input as worldwide
		with data.choices.sealed_through_global_endpoints.value as true
}

test_but_not_for_plain_content if {
	plain := json.patch(worldwide, [{"op": "replace", "path": "/content/matches/0/how", "value": "exact"}])
	count(r32_route.findings) == 1 with input as plain
		with data.choices.sealed_through_global_endpoints.value as true
}

test_nor_for_an_endpoint_abroad if {
	abroad := json.patch(worldwide, [{"op": "replace", "path": "/request/route/country", "value": "JP"}])
	count(r32_route.findings) == 1 with input as abroad
		with data.choices.sealed_through_global_endpoints.value as true
}
