knock-title = Knock
knock-lead = Knock { $times } times: type that many stars.
field-knocks = Knocks
problem-wrong_knock = That was another number of knocks.
action-use_knock = Knock instead
