"""OpenStack Swift, at sites that the institution named (NHN Cloud, KT Cloud and private clouds offer it)."""
