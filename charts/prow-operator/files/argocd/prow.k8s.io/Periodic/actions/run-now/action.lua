-- Each new token starts one run. The version of the object is the token: a second click on what is on the screen starts nothing twice,
-- and a click on what came of the first is a new token.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["prow.k8s.io/run-now"] = "argocd-" .. obj.metadata.resourceVersion
return obj
