;; The types of the world `claims`, as every test plug-in made from text imports them. They are those of wit/symbolon.wit.
  (import "symbolon:plugin/login@0.2.0" (instance $l
    (type $c (record (field "name" string) (field "value" string)))
    (export "claim" (type $claim (eq $c)))))
  (alias export $l "claim" (type $claim))
  (import "symbolon:plugin/tokens@0.2.0" (instance $t
    (alias outer 1 $claim (type $c))
    (export "claim" (type $claim (eq $c)))
    (type $f (record (field "api" string) (field "audience" string) (field "client" string) (field "sub" string)
      (field "scopes" (list string)) (field "tier" (option string)) (field "claims" (list $claim))))
    (export "facts" (type $facts (eq $f)))))
  (alias export $t "facts" (type $facts))
