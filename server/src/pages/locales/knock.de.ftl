knock-title = Klopfen
knock-lead = Klopfen Sie { $times } Mal: Tippen Sie so viele Sterne.
field-knocks = Klopfen
problem-wrong_knock = Das war eine andere Zahl.
action-use_knock = Stattdessen klopfen
